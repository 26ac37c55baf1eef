"""What a class gets out of the notebooks: copies for students and teachers, a site, a bundle that needs no network."""
