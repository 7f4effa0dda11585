#!/usr/bin/env bash
# A small machine with a systemd of its own, in namespaces of this one: its files are this machine's, seen through an overlay
# that forgets all changes; its processes, network, host name and control groups are its own. Needs root.
# machine.sh PELLET: PELLET is the project; it is there as /usr/lib/node_modules/pellet. Runs until it is killed.
set -euo pipefail
pellet=$1

if [ "${2:-}" != inside ]; then
  group="$(findmnt --noheadings --output TARGET --types cgroup2 | head -1)/pellet-machine-$$"
  mkdir "$group"
  echo $$ >"$group/cgroup.procs"
  echo "group $group"
  exec unshare --pid --fork --kill-child --mount --ipc --uts --net --cgroup "$0" "$pellet" inside
fi

mount --make-rprivate /
# Somewhere that both machines have; nothing of it is seen outside.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work /mnt/root
root=/mnt/root
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs tmpfs $root/run
mkdir -p $root/usr/lib/node_modules/pellet
mount --bind "$pellet" $root/usr/lib/node_modules/pellet
mount -t tmpfs tmpfs $root/tmp
mount -t tmpfs -o mode=755 tmpfs $root/dev
for device in null zero full random urandom tty; do
  touch $root/dev/$device
  mount --bind /dev/$device $root/dev/$device
done
ln -s /proc/self/fd $root/dev/fd
mkdir $root/dev/shm $root/dev/pts
mount -t tmpfs tmpfs $root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts $root/dev/pts
# Loopback, without needing iproute2: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING.
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 0x41))'
hostname pellet-machine

# Nothing of this machine's own services; a journal, and D-Bus for systemctl.
rm -rf $root/etc/systemd/system $root/etc/pellet $root/var/lib/pellet
mkdir -p $root/etc/systemd/system
cat >$root/etc/systemd/system/default.target <<'UNIT'
[Unit]
Description=A small machine
Requires=dbus.socket systemd-journald.socket
AllowIsolate=yes
UNIT
for unit in tmpfiles-setup sysctl udevd timesyncd logind modules-load remount-fs; do
  ln -s /dev/null $root/etc/systemd/system/systemd-$unit.service
done

mkdir $root/mnt/outside
cd $root
pivot_root . mnt/outside
umount --lazy /mnt/outside
exec env -i container=lxc PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --show-status=0 --log-target=journal
