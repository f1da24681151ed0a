"""Locust users for Lyceum: people who type, watch and read, judged by what arrives."""
