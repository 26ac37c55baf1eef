"""Course material from the notebooks: copies for students and teachers, a site, a bundle for offline classrooms."""
