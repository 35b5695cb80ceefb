#!/bin/sh
# Build and sync, for cron: what it prints is what cron mails.
#
#   */30 * * * * /srv/shop/revetl-cron.sh /srv/shop prod
#
# PAUSE: seconds before another try where the exit code says "try later" (4); TRIES: how many tries in all.
set -u
cd "$1" || exit 2

exec 9> .revetl-cron.lock
flock -n 9 || exit 0 # the run before is still at work

# A model or test that fails holds the syncs of its models; the others go on.
dbt build --quiet --target "$2" || echo "dbt build failed: the syncs of what failed are held"

try=1
while :; do
    code=0
    revetl sync --quiet --target "$2" || code=$?
    [ "$code" -eq 4 ] && [ "$try" -lt "${TRIES:-3}" ] || break # no other code gets better by itself
    try=$((try + 1))
    sleep "${PAUSE:-300}"
done
[ "$code" -eq 0 ] || echo "revetl sync ended with exit code $code"
exit "$code"
