use super::render;
