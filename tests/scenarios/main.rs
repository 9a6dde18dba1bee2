//! Stories that a customer would tell, each told from outside.

mod broker_flaps;
mod broker_restarts;
mod firmware_to_page;
mod lights_left_on;
mod meter_goes_silent;
mod month_in_a_sheet;
mod node_faults;
mod other_peoples_meters;
mod own_listener;
mod power_cut;
mod screenshots;
mod three_days_away;
mod two_gateways;
