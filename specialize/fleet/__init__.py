"""Many vehicles: what differs between them, how few builds serve them all, and carrying that out.

- Records: `vehicle`, `request`, `builds`; `lock` keeps them in a file.
- Compare: `median`, `kinds`, `outliers`, `differences`.
- Plan: `footprint`, `clustering`, `grouping`, `sharing`, `plan`.
- Build: `tasks`, `worker`, `vehicle_tables`, `executors`, `storage`, `build`.
- Afterwards: `status`, `retention`, `report`.
"""
