#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# What domain 0 needs to serve guests: the store answers its user space and its kernel, and both back ends are registered.
xenstore-write /local/domain/0/store-test works
echo "store-test: user space reads <$(xenstore-read /local/domain/0/store-test)>"
# Linux's own xenbus client writes these when the store answers it.
echo "store-test: the kernel wrote <$(xenstore-list /local/domain/0/control | tr '\n' ' ')>"
echo "store-test: back ends <$(ls /sys/bus/xen-backend/drivers | tr '\n' ' ')>"
