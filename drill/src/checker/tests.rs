pub(crate) mod told;

mod machine;
mod scale;
mod whole;
