//! Pages of small and of hostile worlds.
