"""The jaffle shop that dbt's tutorials speak of, its shape retold: what revetl finds in a project that is not ours."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from pathlib import Path
from random import Random

PROJECT = """
name: jaffle_shop
config-version: 2
version: "0.1"
profile: jaffle_shop
flags: {send_anonymous_usage_stats: false}
models:
  jaffle_shop:
    +materialized: table
    staging: {+materialized: view}
"""
PROFILES = """
jaffle_shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: jaffle_shop.duckdb, threads: 2}
"""
MODELS = {
    "staging/stg_customers.sql": "select id as customer_id, first_name, last_name from {{ ref('raw_customers') }}",
    "staging/stg_orders.sql": "select id as order_id, user_id as customer_id, order_date, status "
    "from {{ ref('raw_orders') }}",
    "staging/stg_payments.sql": "select id as payment_id, order_id, payment_method, amount / 100 as amount "
    "from {{ ref('raw_payments') }}",
    "customers.sql": """
with placed as (
    select customer_id, min(order_date) as first_order, max(order_date) as most_recent_order,
        count(order_id) as number_of_orders
    from {{ ref('stg_orders') }} group by customer_id
),
paid as (
    select o.customer_id, sum(p.amount) as total_amount
    from {{ ref('stg_payments') }} as p left join {{ ref('stg_orders') }} as o on p.order_id = o.order_id
    group by o.customer_id
)
select c.customer_id, c.first_name, c.last_name, placed.first_order, placed.most_recent_order,
    placed.number_of_orders, paid.total_amount as customer_lifetime_value
from {{ ref('stg_customers') }} as c
left join placed on c.customer_id = placed.customer_id
left join paid on c.customer_id = paid.customer_id
""",
    "orders.sql": """
{% set payment_methods = ['credit_card', 'coupon', 'bank_transfer', 'gift_card'] %}
with paid as (
    select order_id,
        {% for method in payment_methods -%}
        sum(case when payment_method = '{{ method }}' then amount else 0 end) as {{ method }}_amount,
        {% endfor -%}
        sum(amount) as total_amount
    from {{ ref('stg_payments') }} group by order_id
)
select o.order_id, o.customer_id, o.order_date, o.status,
    {% for method in payment_methods -%} paid.{{ method }}_amount, {% endfor -%}
    paid.total_amount as amount
from {{ ref('stg_orders') }} as o left join paid on o.order_id = paid.order_id
""",
}
# As in the tutorial, the YAML speaks of a column that the model does not have: total_order_amount.
SCHEMA = """
version: 2
models:
  - name: customers
    description: One row a customer, with what is known from the orders.
    columns:
      - name: customer_id
        description: The customer's number.
        tests: [unique, not_null]
      - name: first_name
        description: Given name. PII.
      - name: last_name
        description: Family name. PII.
      - name: first_order
        description: Day of the first order, null without one.
      - name: most_recent_order
        description: Day of the latest order.
      - name: number_of_orders
        description: How many orders were placed.
      - name: total_order_amount
        description: Value of all orders, in AUD.
  - name: orders
    description: One row an order, with the payments by method.
    columns:
      - name: order_id
        tests: [unique, not_null]
      - name: customer_id
        tests: [not_null]
      - name: status
        description: Where the order stands.
      - name: amount
        description: Total paid, in AUD.
        tests: [not_null]
"""
# All that is added for revetl: meta in the YAML, and revetl.yml.
META = {
    "  - name: customers\n": "    config: {meta: {revetl: {kind: properties, entity: customer, key: customer_id}}}\n",
    "  - name: orders\n": "    config: {meta: {revetl: {kind: properties, entity: order, key: order_id}}}\n",
    "      - name: customer_id\n": "        config: {meta: {revetl: {to: {crm: jaffle_customer}}}}\n",
    "      - name: order_id\n": "        config: {meta: {revetl: {to: {lake: order}}}}\n",
    "      - name: first_name\n": "        config: {meta: {revetl: {pii: name, to: {crm: firstname}}}}\n",
    "      - name: last_name\n": "        config: {meta: {revetl: {pii: name, to: {crm: lastname}}}}\n",
    "      - name: most_recent_order\n": "        config: {meta: {revetl: {to: {crm: most_recent_order}}}}\n",
    "      - name: number_of_orders\n": "        config: {meta: {revetl: {to: {crm: number_of_orders}}}}\n",
    "      - name: status\n": "        config: {meta: {revetl: {to: {lake: status}}}}\n",
    "      - name: amount\n": "        config: {meta: {revetl: {to: {lake: amount}}}}\n",
}
CONFIG = """
version: 1
destinations:
  crm:
    type: hubspot
    targets: {dev: sandbox}
    syncs:
      customer: {entity: customer, object: contacts, match: {jaffle_customer: customer_id}, allow_pii: [name]}
  lake:
    type: file
    targets: {dev: {directory: lake, format: jsonl}}
    syncs:
      order: {entity: order, match: {order: order_id}}
"""


def write(root: Path) -> None:
    """Write the project as it is before revetl: 100 customers, 99 orders, 113 payments."""
    files = {"dbt_project.yml": PROJECT, "profiles.yml": PROFILES, "models/schema.yml": SCHEMA}
    files |= {f"models/{path}": text for path, text in MODELS.items()}
    files |= {f"seeds/{name}.csv": text for name, text in _seeds(Random(11)).items()}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text.lstrip("\n"), encoding="utf-8")


def add_revetl(root: Path) -> None:
    """Add meta to the YAML, and revetl.yml; nothing else."""
    path = root / "models" / "schema.yml"
    text = path.read_text(encoding="utf-8")
    for line, more in META.items():
        assert line in text
        text = text.replace(line, line + more, 1)
    path.write_text(text, encoding="utf-8")
    (root / "revetl.yml").write_text(CONFIG.lstrip("\n"), encoding="utf-8")


def _seeds(dice: Random) -> dict[str, str]:
    people = [(n, f"Given{n}", f"{chr(65 + n % 26)}.") for n in range(1, 101)]
    states = ("placed", "shipped", "completed", "return_pending", "returned")
    start = date(2018, 1, 1)
    orders = [(n, dice.randint(1, 99), start + timedelta(days=n), dice.choice(states)) for n in range(1, 100)]
    methods = ("credit_card", "coupon", "bank_transfer", "gift_card")
    paying = [*range(1, 100), *(dice.randint(1, 99) for _ in range(14))]
    payments = [(n, order, dice.choice(methods), dice.randint(0, 30) * 100) for n, order in enumerate(paying, 1)]
    return {
        "raw_customers": _csv("id,first_name,last_name", people),
        "raw_orders": _csv("id,user_id,order_date,status", orders),
        "raw_payments": _csv("id,order_id,payment_method,amount", payments),
    }


def _csv(head: str, rows: list[tuple[int, ...]] | list[tuple[int, str, str]] | list[tuple[int, int, date, str]] |
         list[tuple[int, int, str, int]]) -> str:  # fmt: skip
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head.split(","), *rows])
    return text.getvalue()
