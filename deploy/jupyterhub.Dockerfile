# A learner's image for a JupyterHub. Untested here. From the repository's root, after `make kit`:
#   docker build -f deploy/jupyterhub.Dockerfile -t two-switches _build/kit
# Only the kit goes in: no solutions, nothing that grades.
# The index of CPU builds that PyTorch's "Get started" page names makes it some GB smaller:
#   --build-arg PIP_EXTRA_INDEX_URL=…
FROM quay.io/jupyter/minimal-notebook:python-3.11

ARG PIP_EXTRA_INDEX_URL=

COPY --chown=${NB_UID}:${NB_GID} two-switches-kit.zip /tmp/
RUN python -m zipfile -e /tmp/two-switches-kit.zip /tmp \
 && cd /tmp/two-switches-kit \
 && python -m pip install --no-cache-dir -r requirements.txt \
 && rm -r /tmp/two-switches-kit.zip

# A hub mounts a volume over the home folder: the notebooks are copied into it at each start, and never over work.
USER root
RUN mv /tmp/two-switches-kit/exercises /opt/two-switches \
 && rm -r /tmp/two-switches-kit \
 && printf '#!/bin/bash\nmkdir -p "$HOME/two-switches"\ncp --recursive --no-clobber /opt/two-switches/. "$HOME/two-switches/"\n' \
      > /usr/local/bin/before-notebook.d/60-two-switches.sh \
 && chmod +x /usr/local/bin/before-notebook.d/60-two-switches.sh
USER ${NB_UID}
