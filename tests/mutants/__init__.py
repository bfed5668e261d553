"""Mutation testing of the law code: each mutant changes one expression, and the laws' tests have to notice."""
