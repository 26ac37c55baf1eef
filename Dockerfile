# The course in containers, on CPUs: no CUDA, which saves some 6 GB.
#
# For students, JupyterLab with notebooks to work in and no solutions:
#     docker build -t fedsparse .
#     docker run --rm -p 127.0.0.1:8888:8888 fedsparse
# For a JupyterHub (DockerSpawner, KubeSpawner), with the version of the hub:
#     docker build --build-arg JUPYTERHUB=5.3.0 -t fedsparse .
# For teachers, a place to grade in, without a network:
#     docker build --target teacher -t fedsparse-teacher .
#     docker run --rm --network none -v "$PWD/submissions:/submissions:ro" -v "$PWD/grades:/grades" fedsparse-teacher \
#         python -m fedsparse course grade /submissions /grades/grades.csv

FROM python:3.12-slim AS base
COPY constraints.txt /constraints.txt
# Both from one index: the torchvision of another build does not load.
RUN pip install --no-cache-dir -c /constraints.txt --index-url https://download.pytorch.org/whl/cpu torch torchvision

FROM base AS teacher
WORKDIR /fedsparse
COPY . .
RUN pip install --no-cache-dir -c constraints.txt -e '.[notebooks,site]' \
    && python -m fedsparse course copies /course \
    && pip wheel --no-cache-dir --no-deps -w /wheels .

FROM base
ARG JUPYTERHUB=none
COPY --from=teacher /wheels /wheels
RUN pip install --no-cache-dir -c /constraints.txt "$(ls /wheels/*.whl)[notebooks]" \
    && if [ "$JUPYTERHUB" != none ]; then pip install --no-cache-dir "jupyterhub==$JUPYTERHUB"; fi \
    && useradd --create-home --uid 1000 student \
    && install --directory --owner=student /course
COPY --from=teacher --chown=student /course/student /course
USER student
WORKDIR /course/notebooks
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
