//! Evidence as somebody gets it who was not there: what is proven, and what is refused with which words.

mod by_hand;
mod changing;
mod drafts;
mod flips;
mod fuzzing;
mod hostile;
mod kept;
mod leaks;
mod live;
mod proofs;
mod sealing;
mod states;
mod support;
mod verifying;
