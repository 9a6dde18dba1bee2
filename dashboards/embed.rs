//! The pages, built by Vite and embedded.
