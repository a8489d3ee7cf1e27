#!/bin/busybox sh
# init: the first program of an emulated board. It loads the modules listed in
# /modules and then runs what comes over the console, "ID COMMAND" on a line;
# the output stands between the lines "<ID" and ">ID EXIT-CODE".
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /tmp /run /var
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t debugfs debug /sys/kernel/debug
while read -r module; do
	insmod "/lib/modules/$module.ko" || echo "init: cannot load $module"
done </modules
stty -echo -opost
ip link set lo up
echo "init: up"
while read -r id command; do
	printf '\n<%s\n' "$id"
	sh -c "$command" </dev/null
	printf '\n>%s %s\n' "$id" $?
done
