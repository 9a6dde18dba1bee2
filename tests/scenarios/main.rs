//! Stories that a customer would tell, each told from outside.

mod backup_beside;
mod broker_flaps;
mod broker_restarts;
mod failing_disk;
mod firmware_to_page;
mod full_disk;
mod lights_left_on;
mod meter_goes_silent;
mod month_in_a_sheet;
mod node_faults;
mod node_tls;
mod node_update;
mod other_peoples_meters;
mod own_listener;
mod power_cut;
mod read_only_disk;
mod readings;
mod scan_a_bus;
mod screenshots;
mod strongest_findings;
mod switching;
mod three_days_away;
mod two_gateways;
