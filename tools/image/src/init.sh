#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first program of domain 0: mounts, loads modules, brings up the network and does what the (measured) kernel command line asks:
#   ravelin.mode=attest   enrol and attest with ravelin.verifier=URL, then power off
#   ravelin.mode=keep     the same, then a shell on the console
#   ravelin.mode=shell    a shell on the console
#   ravelin.mode=test     run /tests/NAME of ravelin.test=NAME, say how it ended, power off
export PATH=/usr/bin:/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
/bin/busybox --install -s /bin

say() { echo "ravelin-init: $*"; }
option() { # option NAME DEFAULT: the value of NAME= on the kernel command line
    value=$2
    # shellcheck disable=SC2013 # words, indeed
    for word in $(cat /proc/cmdline); do
        case "$word" in "$1="*) value=${word#*=} ;; esac
    done
    echo "$value"
}
shell() {
    say "a shell; 'poweroff -f' ends"
    setsid -c sh -l
}

say "modules"
while read -r module; do
    insmod "$module" || say "could not load $module"
done </etc/modules

if [ -x /usr/bin/xenstored ]; then
    mount -t xenfs xenfs /proc/xen
    # As its own daemon it answers as soon as its socket is there.
    xenstored --pid-file /var/run/xenstored/pid
    for wait in 0.1 0.2 0.4 0.8 1.6; do
        [ -S /var/run/xenstored/socket ] && break
        sleep "$wait"
    done
    if xenstore-write /local/domain/0/domid 0 /local/domain/0/name Domain-0; then
        say "store"
        # VMs that end by themselves are dealt with as their files say.
        for toolstack in "ravelin-vm" "ravelin vm"; do
            if command -v "${toolstack%% *}" >/dev/null; then
                # shellcheck disable=SC2086 # two words, the second time
                $toolstack watch &
                break
            fi
        done
    else
        say "the store does not answer: no devices for guests"
    fi
fi

ip link set lo up
interface=
for candidate in /sys/class/net/*; do
    # Only a device has a driver behind it.
    [ ! -e "$candidate/device" ] || interface=${candidate##*/}
done
if [ -n "$interface" ]; then
    ip link set "$interface" up
    ip addr add 10.0.2.15/24 dev "$interface"
    for wait in 0.1 0.2 0.4 0.8 1.6; do
        [ "$(cat "/sys/class/net/$interface/carrier" 2>/dev/null)" = 1 ] && break
        sleep "$wait"
    done
    say "network $interface 10.0.2.15"
else
    say "no network interface"
fi

mode=$(option ravelin.mode shell)
say "mode $mode"
case "$mode" in
attest | keep)
    # shellcheck disable=SC2046
    ravelin agent --verifier "$(option ravelin.verifier https://10.0.2.100:8443)" --ca /etc/ravelin/verifier-ca.pem \
        --host "$(option ravelin.host ravelin)"
    say "agent ended $?"
    [ ! -x /etc/ravelin/after ] || /etc/ravelin/after
    [ "$mode" = attest ] || shell
    ;;
test)
    name=$(option ravelin.test none)
    if [ -x "/tests/$name" ]; then
        "/tests/$name"
        say "test $name ended $?"
    else
        say "test $name is not in this image"
    fi
    ;;
*) shell ;;
esac
say "power off"
sync
poweroff -f
