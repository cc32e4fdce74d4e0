#!/usr/bin/env bash
# Installs the Debian packages that are not there yet, or says which ones: system-packages.sh postgresql pgbackrest ... What they would
# serve is not started.
set -euo pipefail

have() {
  case $1 in
  postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;; # of any version, from whatever package
  *) [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null) == installed ]] ;;
  esac
}

missing=()
for package in "$@"; do
  have "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ((EUID)) || ! command -v apt-get >/dev/null; then
  echo "missing here: ${missing[*]} (Debian's names); install them first, e.g. sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
policy=/usr/sbin/policy-rc.d # is asked before a service is started
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
if ! have postgresql; then
  # The programs are wanted, not the server that Debian would set up and start.
  apt-get install -qq -y --no-install-recommends postgresql-common
  sed -i -E 's/^#?\s*create_main_cluster\b.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
apt-get install -qq -y --no-install-recommends "${missing[@]}"
