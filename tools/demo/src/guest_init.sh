#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first program of a guest of the demo. guest.role=send serves its disk to the other guest; guest.role=receive copies it to its own.
# guest.address= and guest.peer= are the two guests' addresses.
export PATH=/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
/bin/busybox --install -s /bin

say() { echo "guest: $*"; }
option() { # option NAME: the value of NAME= on the kernel command line
    # shellcheck disable=SC2013 # words, indeed
    for word in $(cat /proc/cmdline); do
        case "$word" in "$1="*) echo "${word#*=}" ;; esac
    done
}
wait_for() { # wait_for PATH
    for tenth in $(seq 300); do
        [ ! -e "$1" ] || return 0
        sleep 0.1
    done
    say "no $1 after 30 s"
    return 1
}
sum() { sha256sum </dev/xvda | cut -d' ' -f1; }

role=$(option guest.role)
peer=$(option guest.peer)
say "$role, Linux $(uname -r), $(nproc) CPU"
while read -r module; do insmod "$module" || say "could not load $module"; done </etc/modules
wait_for /dev/xvda && wait_for /sys/class/net/eth0
ip link set lo up
ip link set eth0 up
ip addr add "$(option guest.address)/24" dev eth0
for second in $(seq 60); do
    ping -c 1 -W 1 "$peer" >/dev/null && break
done
say "ping $(ping -c 3 -W 5 "$peer" | grep 'packet loss')"
case "$role" in
send)
    say "disk $(sum)"
    nc -l -p 4000 </dev/xvda
    ;;
receive)
    # An nc that has nothing more to send makes the other one end: its input stays open.
    mkfifo /held
    exec 3<>/held
    for second in $(seq 60); do
        nc "$peer" 4000 <&3 >/dev/xvda
        [ "$(head -c 16 /dev/xvda | tr -d '\0' | wc -c)" = 0 ] || break
        sleep 1
    done
    sync
    echo 3 >/proc/sys/vm/drop_caches # what is summed comes from the disk
    say "copied $(sum)"
    ;;
esac
say "done"
poweroff -f
