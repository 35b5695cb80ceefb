select
    run_id,
    started_at,
    closed_at,
    exit_code,
    git_commit,
    dbt_invocation_id,
    flows_hash
from {{ source('revetl', 'runs') }}
