#!/bin/sh
# Process 1 of a container: runs the command and passes signals on. Node as process 1 would ignore a signal that comes
# before its handler is set, and the pod would live on for its whole time of grace.
trap 'exit 143' TERM INT
"$@" &
child=$!
trap 'kill -TERM "$child"' TERM INT
while
  wait "$child"
  status=$?
  kill -0 "$child" 2>/dev/null
do :; done
exit "$status"
