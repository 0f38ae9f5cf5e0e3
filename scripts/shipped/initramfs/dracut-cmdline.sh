#!/bin/sh
# boot=dendro: the root is a deployment, on a store that is waited for. Sourced
# by dracut-cmdline (dracut.cmdline(7)).
if [ "$(getarg boot=)" = dendro ]; then
  dendro_device=$(getarg dendro.store=)
  [ -n "$dendro_device" ] || die "dendro.store= is missing on the kernel command line"
  # No root=: systemd would make a mount unit of it.
  # shellcheck disable=SC2034
  root=dendro rootok=1
  wait_for_dev -n "$(label_uuid_to_dev "$dendro_device")"
fi
