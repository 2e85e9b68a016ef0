"""Deformable attention: one internal operator, recognised in every spelling that exporters and vendors have for it."""
