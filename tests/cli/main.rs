//! The `flumen` binary as a person or a script meets it: exit codes, what goes to which stream, what it looks like.
#![cfg(test)]

mod binary;
mod config;
mod decode;
mod demo;
mod files;
mod flows;
mod help;
mod library;
mod man;
mod package;
mod screen;
mod scripted;
mod serve;
mod service;
mod stage;
mod store;
mod tokens;
mod usage;
