//! Views as text for people, each line ended by a line feed.

mod backup_details;
mod backup_list;
mod checks;
mod replication_status;
mod restored;
mod running_tasks;
mod server_settings;
mod server_status;
mod servers;

pub use backup_details::backup_details;
pub use backup_list::{backup_ids, backup_list};
pub use checks::{checks, nagios};
pub use replication_status::replication_status;
pub use restored::restored;
pub use running_tasks::running_tasks;
pub use server_settings::server_settings;
pub use server_status::server_status;
pub use servers::servers;
