"""What syncs do, told where others look: dbt's exposures, and a page. Pure: text in, text out."""
