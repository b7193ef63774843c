pub(crate) mod told;

mod deadlines;
mod judgements;
mod machine;
mod scale;
mod whole;
