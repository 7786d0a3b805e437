"""Client of the EduStream artifact registry: a bucket, write-once objects, signed releases."""
