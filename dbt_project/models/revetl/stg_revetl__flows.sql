select
    flows.seq,
    flows.run_id,
    flows.sent_at,
    flows.sync,
    flows.destination,
    flows.key,
    flows.operation,
    flows.cause,
    flows.cohort,
    flows.identity,
    flows.outcome,
    flows.code,
    flows.reason,
    flows.request_id,
    runs.git_commit,
    runs.dbt_invocation_id
from {{ source('revetl', 'flows') }} as flows
left join {{ ref('stg_revetl__runs') }} as runs on flows.run_id = runs.run_id
