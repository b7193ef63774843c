pub(crate) mod told;

mod judgements;
mod machine;
mod scale;
mod whole;
