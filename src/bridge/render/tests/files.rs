use super::Templates;
