-- When records were found to have left the topic before they were saved.
alter table partition_progress add column incomplete_at timestamptz;
