"""How the specimen was made: its pictures are drawn here, its network is trained here. Not used by the suite itself."""
