//! Dropping the future of any function, at any point, leaves a connection that works, or none.
//!
//! | file | what it owns |
//! |---|---|
//! | `functions` | the functions of a client |
//! | `matrix` | drops each of them, wherever it stands and wherever the stream stands |
//! | `connecting` | the same for functions that connect |
//! | `serving` | the same for the functions of a server |
//! | `complete` | finds public functions that are in neither |

mod complete;
mod connecting;
mod functions;
mod matrix;
mod serving;
