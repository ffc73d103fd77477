//! What happens by itself.

mod rescue;

pub(crate) use rescue::Rescuer;
