#!/usr/bin/env bash
# Places some 300 real calls through a real Kamailio on loopback and keeps the accounting records that it writes.
#
#   tools/kamailio/record.sh [FOLDER]      default: tests/data/kamailio
#
# Needs the Debian packages kamailio, kamailio-extra-modules (db_flatstore) and sip-tester. Takes about two minutes,
# binds UDP ports of 127.0.0.1 only (5060 to 5078), and ends everything that it started. FOLDER changes only when
# every call ended as planned and every record was written.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../tests/data/kamailio}
for tool in kamailio sipp python3; do
    command -v "$tool" >/dev/null || { echo "record.sh: $tool is missing; apt-get install kamailio kamailio-extra-modules sip-tester" >&2; exit 2; }
done
work=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

mkdir "$work/spool"
python3 "$here/plan.py" "$work"
sed "s#SPOOL#$work/spool#" "$here/kamailio.cfg" > "$work/kamailio.cfg"

timeout 240 kamailio -f "$work/kamailio.cfg" -P "$work/kamailio.pid" -DD -E -m 64 2> "$work/kamailio.log" &
started+=($!)
sed "s#CODE WHY#486 Busy Here#" "$here/uas_refuse.xml" > "$work/busy.xml"
sed "s#CODE WHY#603 Decline#" "$here/uas_refuse.xml" > "$work/decline.xml"
far_end() { # port scenario
    (cd "$work" && exec timeout 240 sipp -sf "$2" -i 127.0.0.1 -p "$1" -nostdin > "$work/far_$1.log" 2>&1) &
    started+=($!)
}
far_end 5070 "$here/uas_answer.xml"
far_end 5075 "$work/busy.xml"
far_end 5076 "$work/decline.xml"
far_end 5077 "$here/uas_ring.xml"
far_end 5078 "$here/uas_ring.xml"
sleep 2

place() { # scenario plan port rate
    local calls=$(($(wc -l < "$work/$2.csv") - 1))
    (cd "$work" && exec sipp 127.0.0.1:5060 -sf "$here/$1.xml" -inf "$work/$2.csv" -i 127.0.0.1 -p "$3" -m "$calls" -r "$4" \
        -l 500 -timeout 200s -timeout_error -nostdin -trace_err -error_file "$work/$2.err" > "$work/$2.log" 2>&1)
}
show() { echo "record.sh: $1" >&2; tail -n 30 "$work/$2.log" >&2; [ ! -f "$work/$2.err" ] || head -n 20 "$work/$2.err" >&2; exit 1; }
place uac_cancel cancelled 5062 1 &
giving_up=$!
place uac_call calls 5061 5 || show "a call did not end as planned" calls
wait "$giving_up" || show "a call that was to be given up did not end as planned" cancelled
sleep 2

# Every planned call has one final record with the code that its callee stands for, every answered one a call record too.
cat "$work"/spool/acc_[0-9]*.log | awk -F'|' '$1 == "INVITE" { print $9, $11, $5 }' | sort > "$work/recorded"
cat "$work/calls.csv" "$work/cancelled.csv" | awk -F';' 'BEGIN { split("200 200 200 200 200 486 603 408 487 486", code, " ") }
    NF == 3 { print $1, $2, code[substr($2, length($2)) + 1] }' | sort > "$work/planned"
cat "$work"/spool/acc_cdrs_*.log | awk -F'|' '{ print $5, $6, 200 }' | sort > "$work/talks"
diff "$work/planned" "$work/recorded" >&2 || { echo "record.sh: the records (>) are not those of the calls planned (<)" >&2; exit 1; }
grep ' 200$' "$work/planned" | diff - "$work/talks" >&2 || { echo "record.sh: the call records (>) are not those planned (<)" >&2; exit 1; }
mkdir -p "$out"
rm -f "$out"/acc_*.log
cp "$work"/spool/acc_*.log "$work/lines.csv" "$out"
echo "record.sh: $(wc -l < "$work/planned") calls, $(wc -l < "$work/talks") answered; records in $out"
