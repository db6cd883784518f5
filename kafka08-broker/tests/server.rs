//! The server that is a thread.

mod scenarios;

use kafka08_broker::Server;
