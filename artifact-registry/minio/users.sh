#!/bin/sh
# Creates the producer and the consumer on MinIO with the least rights, and leaves their keys for init.
# Runs in MinIO's own image; the administrator's key comes in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
set -eu

keys=/keys/users.env
mc alias set registry http://minio:9000 "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >/dev/null

new_secret() {
    head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

if [ ! -f "$keys" ]; then
    umask 077
    {
        echo "PRODUCER_ACCESS_KEY_ID='models-producer'"
        echo "PRODUCER_SECRET_ACCESS_KEY='$(new_secret)'"
        echo "CONSUMER_ACCESS_KEY_ID='models-consumer'"
        echo "CONSUMER_SECRET_ACCESS_KEY='$(new_secret)'"
    } >"$keys"
    chown 10001 "$keys" # the user that init runs as
fi
# shellcheck disable=SC1090 - written above
. "$keys"

mc admin user add registry "$PRODUCER_ACCESS_KEY_ID" "$PRODUCER_SECRET_ACCESS_KEY"
mc admin user add registry "$CONSUMER_ACCESS_KEY_ID" "$CONSUMER_SECRET_ACCESS_KEY"
for role in producer consumer; do
    mc admin policy create registry "models-$role" "/minio/$role-policy.json"
    mc admin policy attach registry "models-$role" --user "models-$role" || true
done
