# A warden for a harness that lives in somebody else's program, such as a test: what mod.rs describes, with what
# every POSIX system has. Arguments: the run's tag (PID-START-HEX of the harness), and the folder to remove.
# Standard input: the roster's lines, `started PID START TRIAL NODE INCARNATION` and `cleared PID`, until the harness is gone.

trap '' INT TERM HUP QUIT
export LC_ALL=C PATH="${PATH:+$PATH:}/usr/bin:/bin"
tag=$1
scratch=$2
harness=${tag%%-*}
begun=${tag#*-}
begun=${begun%%-*}
# Each as pid:start; their groups are not known to be empty.
leaders=

# Fails for a process that is gone, or has ended with all its threads; else sets parent, group and start.
look() {
    line=
    while IFS= read -r part || [ -n "$part" ]; do
        line="$line$part "
    done <"/proc/$1/stat" || return 1
    # A program's name may hold anything; it ends at the last parenthesis.
    set -- ${line##*') '}
    [ $# -ge 20 ] || return 1
    parent=$2 group=$3
    case $1 in Z | X | x) [ "${18}" -gt 1 ] || return 1 ;; esac
    shift 19
    start=$1
}

# Whether the process looked at last shows by itself that it is the run's.
is_marked() {
    for leader in $leaders; do
        [ "$pid:$start" = "$leader" ] && return
        [ "$group" = "${leader%:*}" ] && [ "$start" -ge "${leader#*:}" ] && return
    done
    grep -F -q -s -e "COMEBACK_RUN=$tag" "/proc/$pid/environ"
}

# Sets found to the run's processes: those that show it themselves, and whatever descends from them.
scan() {
    found=' '
    others=
    for path in /proc/[0-9]*; do
        pid=${path#/proc/}
        look "$pid" || continue
        # Nothing of the run is older than its harness.
        [ "$start" -ge "$begun" ] || continue
        if [ "$pid" = "$harness" ] || [ "$pid" = $$ ]; then continue; fi
        if is_marked; then
            found="$found$pid "
        else
            others="$others $pid:$parent"
        fi
    done
    grown=yes
    while [ "$grown" ]; do
        grown=
        for other in $others; do
            case $found in
            *" ${other%:*} "*) ;;
            *" ${other#*:} "*)
                found="$found${other%:*} "
                grown=yes
                ;;
            esac
        done
    done
}

while read -r what pid start rest; do
    case $what in
    started) leaders="$leaders $pid:$start" ;;
    cleared)
        kept=
        for leader in $leaders; do
            [ "${leader%:*}" = "$pid" ] || kept="$kept $leader"
        done
        leaders=$kept
        ;;
    esac
done

# A start that was under way when the harness died shows up only after its exec: then two scans must find nothing.
wanted=2
if look "$harness" && [ "$start" = "$begun" ]; then wanted=1; fi
clean=0
# A process that waits for a disk may outlive even this: 300 times 50 ms.
rounds=300
while [ $rounds -gt 0 ]; do
    rounds=$((rounds - 1))
    scan
    if [ "$found" = ' ' ] && rm -rf -- "$scratch"; then
        clean=$((clean + 1))
        [ $clean -lt $wanted ] || exit 0
    else
        clean=0
        for pid in $found; do kill -9 "$pid"; done
    fi
    sleep 0.05
done
exit 1
