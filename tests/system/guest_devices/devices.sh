#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# In domain 0: stock guests with several disks each, through everything that `ravelin vm` does, and through back ends that die.
. /tests/guests.sh

setup() {
    unpack_guests
    for disk in /sys/block/vd*; do
        [ "$(cat "$disk/serial")" != volumes ] || volumes=/dev/${disk##*/}
    done
    config='activation { udev_sync=0 udev_rules=0 } devices { obtain_device_list_from_udev=0 } backup { backup=0 archive=0 }'
    lvm pvcreate --config "$config" "$volumes" && lvm vgcreate --config "$config" group "$volumes" &&
        lvm lvcreate --config "$config" -Wn -Zn -L 8m -n web group && lvm lvcreate --config "$config" -Wn -Zn -L 8m -n spare group
    say "volume $(lvm lvs --config "$config" --noheadings -o lv_name,lv_size group 2>/dev/null | tr -s ' \n' ' ')"
    truncate -s 8M /guests/web.img
    truncate -s 8M /guests/other.img
    mkdir -p /small
    mount -t tmpfs -o size=2m small /small
    truncate -s 8M /small/full.img
    truncate -s 8M /guests/loop.img
    losetup /dev/loop7 /guests/loop.img
}

disks() {
    say "web's disks: $(ask web 'cd /sys/block && echo xvd*')"
    for disk in xvda xvdb xvdc; do
        say "web $disk: pass $(ask web "disk_pass $disk 1")"
    done
    say "web xvdd is read only: $(ask web 'cat /sys/block/xvdd/ro')"
    say "web xvdb holds what the volume holds: $(ask web 'dd if=/dev/xvdb bs=1M skip=1 count=1 2>/dev/null | sha256sum | cut -c1-64')"
    say "the volume: 0 $(dd if=/dev/group/web bs=1M skip=1 count=1 2>/dev/null | sha256sum | cut -c1-64)"
    say "web's segments in a request: $(ask web 'cat /sys/block/xvda/queue/max_segments')"
    ask web 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/xvdc of=/dev/null bs=1M count=8' >/dev/null
    counts=/sys/bus/xen-backend/devices/vbd-$(number_of web)-51744/statistics
    say "sectors in a read: $(($(cat "$counts/rd_sect") / $(cat "$counts/rd_req")))"
}

running() {
    vm sched web --weight 512 --cap 20
    ask web '(while :; do :; done) & echo $! >/tmp/spinner' >/dev/null
    before=$(of web cpu_time_ns) && start=$(date +%s)
    sleep 5
    say "cpu of a spinner with cap 20: $((($(of web cpu_time_ns) - before) / 10000000 / ($(date +%s) - start)))%"
    vm sched web --cap 0
    before=$(of web cpu_time_ns) && start=$(date +%s)
    sleep 3
    say "cpu of a spinner without: $((($(of web cpu_time_ns) - before) / 10000000 / ($(date +%s) - start)))%"
    ask web 'kill $(cat /tmp/spinner)' >/dev/null
    vm pause web
    before=$(of web cpu_time_ns)
    sleep 1
    say "paused: $(of web state), used $(($(of web cpu_time_ns) - before))"
    vm unpause web
    say "unpaused: $(of web state), $(ask web 'echo here')"
}

balloon() { # under load
    ask web '(load xvdb) & echo' >/dev/null
    say "web has: $(ask web megabytes)"
    vm memory web 112
    until_so 60 memory_is web 100 113 && say "down: $(($(of web memory_kib) / 1024))"
    say "web sees: $(ask web megabytes)"
    vm memory web 192
    until_so 60 memory_is web 190 192 && say "up: $(($(of web memory_kib) / 1024))"
    say "web sees: $(ask web megabytes)"
    vm memory web 256
    until_so 60 memory_is web 250 256 && say "beyond: $(($(of web memory_kib) / 1024))"
    say "web sees: $(ask web megabytes)"
    passes=$(ask web 'cat /tmp/passes')
    until_so 100 more_passes web "$passes" && say "web still works"
    say "failures under load: $(ask web 'cat /tmp/failures')"
}

killed() { # both back ends, under load
    say "ping: $(ask web 'address 10.9.0.1; ping -c 2 -W 5 10.9.0.2 | grep loss')"
    end_back_ends vbd vif
    say "web without back ends: $(vm list | grep ' web ' | sed 's/.*running: //')"
    sleep 2
    insmod /lib/modules/xen-netback.ko && insmod /lib/modules/xen-blkback.ko
    until_so 30 sh -c "ravelin-vm list | grep ' web ' | grep -q 'running\$'" && say "back ends are back"
    passes=$(ask web 'cat /tmp/passes')
    until_so 100 more_passes web "$passes" && say "web still works"
    say "failures over the restart: $(ask web 'touch /tmp/stop; cat /tmp/failures')"
    for guest in web other; do until_so 60 test -e "/sys/class/net/vif$(number_of $guest).0/master"; done
    until_so 60 reaches web 10.9.0.2
    say "ping: $(ask web 'ping -c 5 -W 5 10.9.0.2 | grep loss')"
}

full() {
    say "a write to a full disk: $(ask other 'dd if=/dev/zero of=/dev/xvdb bs=1M count=6 conv=fsync || echo failed')"
    vm info other
    say "why: $(vm list | grep ' other ' | sed 's/.*running: //')"
    say "other's other disk: $(ask other 'disk_pass xvda 1')"
    say "web meanwhile: $(ask web 'disk_pass xvda 2')"
}

closed() { # a back end that goes away for good
    xenstore-write "/local/domain/0/backend/vbd/$(number_of web)/51712/state" 6
    sleep 1
    say "its disk: $(ask web 'disk_pass xvda 3 || echo failed')"
    say "why: $(vm list | grep ' web ' | sed 's/.*running: //')"
    say "its other disk: $(ask web 'disk_pass xvdb 3')"
    say "the other guest: $(ask other 'disk_pass xvda 3')"
}

crashes() {
    vm create /guests/broken.toml
    until_so 30 is_state broken stopped
    say "broken: $(vm list | grep ' broken ' | sed 's/.*MiB .* s  //')"
    vm destroy broken
    id=$(number_of other)
    vm console --type '0 echo c >/proc/sysrq-trigger' other
    until_so 60 sh -c "[ \"\$(ravelin-vm list | grep -c \"^ *$id \")\" = 0 ]" && say "the crashed domain is gone"
    until_so 60 is_state other running && ready other
    say "web meanwhile: $(ask web 'disk_pass xvdb 4')"
}

ends() {
    vm reboot web --wait 100 && ready web
    last_words web | grep -q 'shutdown program: reboot' && say "the reboot program ran"
    say "after the reboot: $(ask web 'disk_pass xvda 5')"
    ask web '(load xvda) & echo' >/dev/null
    sleep 2
    vm shutdown web --wait 100 && last_words web | grep -q 'shutdown program: poweroff' && say "the shutdown program ran"
    say "web was shut down: $(vm list | grep -c ' web ')"
    ask other '(load xvda) & echo' >/dev/null
    sleep 2
    vm destroy --force other && say "other was destroyed at work"
    vm create /guests/hello.toml
    until_so 60 gone hello && say "hello powered off and is gone: $(vm info hello 2>&1)"
}

setup
at_first=$(free_frames)
vm create /guests/web.toml && vm create /guests/other.toml
ready web
ready other
ask other 'address 10.9.0.2' >/dev/null
for part in disks running balloon killed full closed crashes ends; do
    say "== $part $(cut -d. -f1 /proc/uptime)"
    $part
done
vm list
say "devices left: $(ls /sys/bus/xen-backend/devices | wc -l)"
sleep 1
say "free frames: $at_first before, $(free_frames) after"
