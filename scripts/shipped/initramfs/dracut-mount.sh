#!/bin/sh
# Boots the deployment. Sourced by dracut-mount.
if [ "$(getarg boot=)" = dendro ]; then
  . /usr/lib/dendro/initramfs/dendro-lib
  modprobe -q -a fuse overlay
  # The server belongs to no unit: systemd would end it with the unit when the
  # real root is entered. Where processes are until then: cgroup v2, else v1.
  for dendro_group in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/systemd/cgroup.procs; do
    if [ -e "$dendro_group" ]; then
      dendro_home=$(sed -n 's/^0:://p; s/^[0-9]*:name=systemd://p' /proc/self/cgroup | head -n 1)
      echo 0 >"$dendro_group"
      break
    fi
  done
  # shellcheck disable=SC2154
  dendro_mount_store "$(label_uuid_to_dev "$(getarg dendro.store=)")" ||
    die "no store"
  dendro_boot "$NEWROOT" || die "no deployment can be booted"
  [ -n "$dendro_home" ] && echo 0 >"${dendro_group%/cgroup.procs}$dendro_home/cgroup.procs"
fi
