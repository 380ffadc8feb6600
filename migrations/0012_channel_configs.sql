-- A channel works once its credentials are set; whoever wants it quiet says so. So far
-- nobody could: the first rows held what nothing obeyed.
update channel_configs set enabled = true, updated_at = app_now() where not enabled;
