"""Turn text into audio: jobs, their scenes, speech synthesis and output files."""
