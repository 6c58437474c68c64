"""Makers of questions from questions, texts and models."""
