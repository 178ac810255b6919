#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first program of a stock guest that does what is typed at its console: lines "NUMBER COMMAND", answered by "answer-NUMBER: STATUS LAST-LINE".
export PATH=/sbin:/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /sbin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
/bin/busybox --install -s /bin
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm

# What Linux runs when the toolstack asks it to power off or to reboot.
for what in poweroff reboot; do
    printf '#!/bin/sh\necho "shutdown program: %s" >/dev/console\nsync\n/bin/busybox %s -f\n' $what $what >/sbin/$what
    chmod 755 /sbin/$what
done

disk_pass() { # disk_pass DISK PASS: writes a MiB that no other pass writes, and reads it back from the disk
    head -c 4096 /dev/urandom >/tmp/seed.$1
    for block in $(seq 256); do cat /tmp/seed.$1; done >/tmp/sent.$1
    dd if=/tmp/sent.$1 of=/dev/$1 bs=1M seek=$(($2 % 4)) conv=fsync,notrunc 2>/dev/null || return 1
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/$1 of=/tmp/back.$1 bs=1M skip=$(($2 % 4)) count=1 2>/dev/null || return 1
    cmp -s /tmp/sent.$1 /tmp/back.$1
}
load() { # load DISK: I/O and memory until /tmp/stop is there; passes and failures are counted in files
    rm -f /tmp/stop
    echo 0 >/tmp/failures
    echo 0 >/tmp/passes
    pass=0
    while [ ! -e /tmp/stop ]; do
        pass=$((pass + 1))
        disk_pass "$1" $pass || echo $(($(cat /tmp/failures) + 1)) >/tmp/failures
        head -c 16777216 /dev/zero >/dev/shm/held.$1
        [ "$(wc -c </dev/shm/held.$1)" = 16777216 ] || echo $(($(cat /tmp/failures) + 1)) >/tmp/failures
        rm /dev/shm/held.$1
        echo $pass >/tmp/passes
    done
}
address() { ip link set eth0 up && ip addr add "$1/24" dev eth0; }
megabytes() { awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }

while read -r module; do insmod "$module" || echo "could not load $module"; done </etc/modules
ip link set lo up
stty -echo
echo "guest ready: Linux $(uname -r)"
while read -r number command; do
    [ -n "$number" ] || continue
    eval "$command" >/tmp/out 2>&1
    status=$?
    echo "answer-$number: $status $(tail -n 1 /tmp/out)"
done
echo "the console is closed"
sleep 1000000
