# SPDX-License-Identifier: BSD-3-Clause
# Small Debian systems in folders, for tests of packages and of other releases. Sourced by scripts that run as root in a
# mount namespace of their own (chroot_alone), so that nothing stays mounted.
#
#   chroot_alone SCRIPT "$@"      runs the calling script again, in such a namespace
#   chroot_make SUITE PACKAGE...  makes build/chroots/SUITE once, with these packages
#   chroot_open SUITE             a copy to be written into, at $chroot
#   chroot_close                  ends it; for a trap, too
#   chroot_pip                    so that pip reaches Python's packages there as it does on this machine
#   in_chroot COMMAND...          runs it there, as root and without this machine's environment
#   chroot_sources                puts the sources into /src, as they stand
#   there COMMAND...              runs it in these, by sh
#
# The copies are overlays: what a test changes is gone at its end, and the system that it began with stays as it was.

chroots=${PEEL_CHROOTS:-build/chroots}
chroot=

chroot_alone()
{
	[ -z "${PEEL_CHROOT_ALONE:-}" ] || return 0
	PEEL_CHROOT_ALONE=1 exec unshare --mount --propagation private -- "$@"
}

chroot_make()
{
	local suite=$1 dir option options=()
	shift
	dir=$chroots/$suite
	if [ "$(cat "$dir.packages" 2>/dev/null)" = "$*" ] && [ -d "$dir" ]; then
		return
	fi
	rm -rf "$dir" "$dir.packages"
	mkdir -p "$chroots"
	# How this machine reaches the packages.
	while read -r option; do
		options+=("--aptopt=$option")
	done < <(apt-config dump | grep -iE '^Acquire::(https?::Proxy|Check-(Valid-Until|Date)) ')
	# No unpacked file need survive a loss of power.
	options+=('--dpkgopt=force-unsafe-io')
	mmdebstrap --quiet --mode=root --variant=apt "${options[@]}" --include="$(IFS=, && echo "$*")" \
		"${suite%%-*}" "$dir" || return 1
	echo "$*" >"$dir.packages"
}

chroot_open()
{
	local over
	over=$(mktemp -d "$chroots/open.XXXX")
	mkdir "$over/upper" "$over/work" "$over/root"
	mount -t overlay overlay -o "lowerdir=$chroots/$1,upperdir=$over/upper,workdir=$over/work" "$over/root"
	chroot=$over/root
	mount -t proc proc "$chroot/proc"
	mount -t sysfs sysfs "$chroot/sys"
	mount --rbind /dev "$chroot/dev"
	# What is downloaded stays.
	mkdir -p "$chroots/$1.archives" "$chroot/var/cache/apt/archives"
	mount --bind "$chroots/$1.archives" "$chroot/var/cache/apt/archives"
	echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' >"$chroot/etc/apt/apt.conf.d/90keep"
	cp --remove-destination /etc/resolv.conf /etc/hosts "$chroot/etc/"
	# Services do not start: this is not their machine.
	printf '#!/bin/sh\nexit 101\n' >"$chroot/usr/sbin/policy-rc.d"
	chmod +x "$chroot/usr/sbin/policy-rc.d"
}

chroot_close()
{
	[ -n "$chroot" ] || return 0
	umount -l -R "$chroot" || return 1
	rm -rf "${chroot%/root}"
	chroot=
}

chroot_pip()
{
	local file
	for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
		[ ! -e "$file" ] || cp --remove-destination -L "$file" "$chroot$file" || return
	done
}

in_chroot()
{
	chroot "$chroot" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive TERM=dumb "$@"
}

chroot_sources()
{
	local file
	mkdir "$chroot/src" && git ls-files -z --cached --others --exclude-standard |
		while IFS= read -rd '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
		tar --null --files-from=- -cf - | tar -C "$chroot/src" -xf -
}

there()
{
	in_chroot sh -c "cd /src && $*"
}
