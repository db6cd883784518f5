//! What becomes of batches, with a network whose every answer the test gives.

mod ending;
mod property;
mod rig;
mod routing;
mod unanswered;
