# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For scripts in domain 0: asking stock guests whose init is guest_init.sh.
say() { echo "test: $* #"; } # whoever reads it sees that the line is whole
vm() { ravelin-vm "$@"; }
of() { vm info --json "$1" | sed -n "s/^ *\"$2\": \"*\([^\",]*\).*/\1/p" | head -n 1; }
until_so() { # until_so SECONDS COMMAND...: waits until it succeeds
    end=$(($(cut -d. -f1 /proc/uptime) + $1))
    shift
    until "$@"; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || return 1
        sleep 0.3
    done
}
heard() { vm console --print "$1" 2>/dev/null | tr -d '\r' | grep -q "$2"; }
ask() { # ask VM COMMAND: the status and the last line of the command in the guest
    number=$(($(cat /tmp/asked 2>/dev/null || echo 0) + 1))
    echo $number >/tmp/asked
    vm console --type "$number $2" "$1"
    if until_so 120 heard "$1" "answer-$number: "; then
        vm console --print "$1" | tr -d '\r' | sed -n "s/^.*answer-$number: //p"
    else
        echo "no answer"
    fi
}
ready() { until_so 120 heard "$1" "guest ready: " && say "$1 ready"; }
number_of() { of "$1" id; }
memory_is() { # memory_is VM LEAST MOST: MiB
    now=$(($(of "$1" memory_kib) / 1024))
    [ "$now" -ge "$2" ] && [ "$now" -le "$3" ]
}
gone() { ! vm info "$1" >/dev/null 2>&1; }
is_state() { [ "$(of "$1" state)" = "$2" ]; }
reaches() { ask "$1" "ping -c 1 -W 2 $2" >/tmp/reached && grep -q '^0 ' /tmp/reached; }
last_words() { cat "/run/ravelin/vm/$1.ended"; }
free_frames() { vm host | sed -n 's/^free frames *//p'; }
more_passes() { # more_passes VM ANSWER: whether its load has done more since that answer
    [ "$(ask "$1" 'cat /tmp/passes' | cut -d' ' -f2)" -gt "${2#* }" ]
}
unpack_guests() {
    for disk in /sys/block/vd*; do
        [ "$(cat "$disk/serial")" != guests ] || (cd / && cpio -id <"/dev/${disk##*/}" 2>/dev/null)
    done
}
end_back_ends() { # end_back_ends vbd|vif...: taken from their devices, and unloaded
    for type in "$@"; do
        for device in /sys/bus/xen-backend/devices/$type-*; do
            echo "${device##*/}" >/sys/bus/xen-backend/drivers/$type/unbind
        done
        rmmod "$([ "$type" = vbd ] && echo xen_blkback || echo xen_netback)"
    done
}
