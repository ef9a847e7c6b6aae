#!/bin/sh
# Installs gauge @VERSION@. Behaves as vendors' installers do, for better and for worse:
#   install.sh -s -fr ANSWERS -fl RESULT    silently, with an INI file of answers; what came of it stands in RESULT
# It ends with 0 whatever happened, and moves away what it finds in the InstallPath.
set -eu

answers="" result=/dev/stdout silent=""
while [ $# -gt 0 ]; do
    case $1 in
        -s) silent=yes ;;
        -fr) answers=$2; shift ;;
        -fl) result=$2; shift ;;
        *) echo "Unknown option $1" >&2; exit 2 ;;
    esac
    shift
done

# The result, and the end.
end() {
    printf '[Result]\nResultCode=%s\nError=%s\n' "$1" "$2" > "$result"
    exit 0
}

# The value of a key in a section of the answers.
answer() {
    sed -n "/^\[$1\]/,/^\[/s/^$2=//p" "$answers" | head -n 1
}

[ -n "$silent" ] || end 100 "This copy installs silently only: -s"
[ -r "$answers" ] || end 101 "Cannot read the answers"
path=$(answer Gauge InstallPath)
case $path in
    /*/../* | /*/./* | *~*) end 110 "InstallPath must be without dots and tildes" ;;
    /*) ;;
    *) end 110 "InstallPath must be absolute" ;;
esac
[ "$(answer Gauge License)" = accepted ] || end 120 "The licence is not accepted"
[ "$(answer Gauge Bits)" = 64 ] || end 130 "Bits must be 64"

if [ -d "$path" ] && [ -n "$(ls -A "$path")" ]; then
    saved=$path/backup_$(date +%Y%m%d%H%M%S)
    mkdir "$saved"
    find "$path" -mindepth 1 -maxdepth 1 ! -path "$saved" -exec mv {} "$saved" \;
fi
mkdir -p "$path"
sed '1,/^# ---- PAYLOAD ----$/d' "$0" | base64 -d | tar -x -C "$path"
printf '#!/bin/sh\nexec %s/bin/gauged "$@"\n' "$path" > "$path/run.sh"
chmod 0750 "$path/run.sh"
end 0 ""
# ---- PAYLOAD ----
