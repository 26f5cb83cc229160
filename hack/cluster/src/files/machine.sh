#!/bin/sh
# The first process of a machine, in a network, mount, PID and UTS namespace of its own. When it is killed, the kernel kills
# everything in the machine at once: a power cut. Arguments: the machine's directory, the images, the Kubernetes binary,
# the node's name, then the cgroup files that take this process in.
set -eu
machine=$1 images=$2 kubernetes=$3 name=$4
shift 4

for procs in "$@"; do echo 0 >"$procs"; done

# From here on nothing that is mounted is seen outside.
mount --make-rprivate /
# A copy of a namespace's mount would keep that namespace alive after its machine is gone.
umount -R -l /run/netns 2>/dev/null || true
mount -t proc proc /proc
echo "$name" >/proc/sys/kernel/hostname
mkdir -p "$machine/run"
mount -t tmpfs -o mode=755 run "$machine/run"
mkdir -p "$machine/run/machine" "$machine/run/images" "$machine/run/lock" "$machine/run/netns"
touch "$machine/run/kubernetes"
mount --bind "$machine" "$machine/run/machine"
mount --bind "$images" "$machine/run/images"
mount --bind "$kubernetes" "$machine/run/kubernetes"
mount --rbind "$machine/run" /run
mount --bind /run/machine/disk/lib /var/lib
mount --bind /run/machine/disk/log /var/log
mount --make-rshared /

# What tells one machine from another, and one boot of it from the next.
mount --bind /run/machine/boot-id /proc/sys/kernel/random/boot_id
for id in /etc/machine-id /sys/class/dmi/id/product_uuid; do
	if [ -e "$id" ]; then mount --bind "/run/machine/$(basename "$id")" "$id"; fi
done
# kubelet sets these for the whole kernel; here it sets files.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
	kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	file=/run/sysctl/${setting%=*}
	mkdir -p "$(dirname "$file")"
	echo "${setting#*=}" >"$file"
	if [ -e "/proc/sys/${setting%=*}" ]; then mount --bind "$file" "/proc/sys/${setting%=*}"; fi
done

# Starts a daemon again when it ends, as an init system would.
keep() {
	log=/run/machine/logs/$1.log
	shift
	while :; do
		"$@" >>"$log" 2>&1 || true
		sleep 1
	done
}

ctr() { command ctr --address /run/containerd/containerd.sock --namespace k8s.io "$@"; }

keep containerd containerd --config /run/machine/containerd.toml &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
for image in /run/images/*.tar; do
	[ ! -e "$image" ] || ctr images import "$image" >>/run/machine/logs/images.log 2>&1 || true
done
keep kubelet /run/kubernetes kubelet --config=/run/machine/kubelet.json --kubeconfig=/run/machine/kubelet.kubeconfig \
	--hostname-override="$name" --node-ip="$(cat /run/machine/address)" --root-dir=/var/lib/kubelet &
keep kube-proxy /run/kubernetes kube-proxy --config=/run/machine/kube-proxy.json --hostname-override="$name" &
while :; do wait; done
