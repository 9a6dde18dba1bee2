//! Against a scripted server ([`server`]): what each documented answer leads to
//! ([`requests`]), and what goes when ([`feeding`]). Against real ones ([`real`]).

mod feeding;
mod real;
mod requests;
mod server;
