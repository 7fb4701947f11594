-- When somebody has made a job pending again, by the database's clock (rule 13). The caller holds the job's row.
update jobs set retried_at = clock_timestamp() where id = :job_id returning retried_at
