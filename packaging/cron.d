# Barman's housekeeping: archives the WAL that has arrived, finishes what was interrupted, applies retention policies.
# Every minute; a run that finds another one at work leaves at once.
SHELL=/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
* * * * *  barman  [ ! -x /usr/bin/barman ] || /usr/bin/barman -q cron
