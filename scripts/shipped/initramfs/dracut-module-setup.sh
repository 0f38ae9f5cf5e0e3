#!/bin/bash
# dracut module of dendro (dracut.modules(7)): what boot=dendro needs in the
# initramfs besides its hooks; the program itself is on the store.

check() {
  require_binaries mount umount chroot || return 1
  # Only when it is asked for: dracut --add dendro.
  return 255
}

depends() {
  echo base
}

installkernel() {
  instmods fuse overlay ext4 virtio_blk virtio_pci virtio_scsi nvme ahci sd_mod
}

install() {
  inst_multiple mount umount setsid chroot nproc mkdir mv rm ln cat sync
  inst_simple /usr/lib/dendro/scripts/shipped/initramfs/dendro-lib /usr/lib/dendro/initramfs/dendro-lib
  # shellcheck disable=SC2154
  inst_hook cmdline 30 "$moddir/dracut-cmdline.sh"
  inst_hook mount 10 "$moddir/dracut-mount.sh"
}
